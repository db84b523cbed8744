//! Bytes to begin with, which the JavaScript reference made.

use serde_json::Value;

/// The documents of `seeds/histories.json`: their updates in order.
pub fn histories() -> Vec<Vec<Vec<u8>>> {
    let file: Value = serde_json::from_str(include_str!("../seeds/histories.json")).expect("JSON");
    let histories = file["histories"].as_object().expect("an object");
    histories.values().map(|updates| updates.as_array().expect("an array").iter().map(from_hex).collect()).collect()
}

/// Every update of them, and the hostile ones of the fixtures.
pub fn updates() -> Vec<Vec<u8>> {
    let mut updates = histories().concat();
    updates.extend(hex_fields(include_str!("../../../fixtures/hostile/updates.json")));
    updates.extend(hex_fields(include_str!("../../../fixtures/unsupported.json")));
    updates
}

/// What stands under `hex` anywhere in this JSON.
pub(crate) fn hex_fields(json: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut values = vec![serde_json::from_str::<Value>(json).expect("JSON")];
    while let Some(value) = values.pop() {
        match value {
            Value::Array(inner) => values.extend(inner),
            Value::Object(fields) => {
                found.extend(fields.get("hex").map(from_hex));
                values.extend(fields.into_iter().map(|(_, field)| field));
            }
            _ => {}
        }
    }
    found
}

fn from_hex(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}
