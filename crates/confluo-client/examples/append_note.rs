//! Appends a line to a document's text `note` and leaves once it is on the server's disk.
//!
//! ```text
//! cargo run -p confluo-client --example append_note -- ws://localhost:8787/sync/notes "remember the milk"
//! ```

use std::time::Duration;

use confluo_client::{
    Client, ClientConfig, ClientError,
    yrs::{GetString, Text, WriteTxn},
};

/// A client never gives up by itself, so a script must: after this long it says what stands in the way.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(line)) = (arguments.next(), arguments.next()) else {
        return Err("usage: append_note ws://host:port/sync/document \"a line\"".into());
    };
    let client = Client::connect(ClientConfig::new(&url)?);
    let status = client.watch_status();
    match tokio::time::timeout(PATIENCE, append(client, line)).await {
        Ok(note) => Ok(std::io::Write::write_all(&mut std::io::stdout(), note?.as_bytes())?),
        Err(_) => Err(format!("not done after {PATIENCE:?}; {:?}", status.borrow().connection).into()),
    }
}

async fn append(client: Client, line: String) -> Result<String, ClientError> {
    client.wait_synced().await?;
    let note = client
        .edit(move |txn| {
            let text = txn.get_or_insert_text("note");
            text.push(txn, &format!("{line}\n"));
            text.get_string(txn)
        })
        .await?;
    client.wait_on_disk().await?;
    client.close().await;
    Ok(note)
}
