//! Opening the engine that keeps documents: the one place that knows which there are.

use std::{fmt, io, path::Path, path::PathBuf, str::FromStr, sync::Arc};

use anyhow::{Context, ensure};
use confluo_store::{DocumentStore, StoreError, WreckStore};
use confluo_store_redb::RedbConfig;
use confluo_store_sled::SledConfig;

use crate::config::{ByteCount, Config, StoreEngine};

/// An engine and its folder, written `sled:FOLDER` or `redb:FOLDER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAddress {
    /// What keeps the documents.
    pub engine: StoreEngine,
    /// Where.
    pub folder: PathBuf,
}

impl FromStr for StoreAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (engine, folder) = match text.split_once(':') {
            Some(("sled", folder)) => (StoreEngine::Sled, folder),
            Some(("redb", folder)) => (StoreEngine::Redb, folder),
            _ => return Err("write sled:FOLDER or redb:FOLDER".into()),
        };
        if folder.is_empty() {
            return Err("name the folder after the colon".into());
        }
        Ok(Self { engine, folder: folder.into() })
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.engine_name(), self.folder.display())
    }
}

impl StoreAddress {
    fn engine_name(&self) -> &'static str {
        match self.engine {
            StoreEngine::Sled => "sled",
            StoreEngine::Redb => "redb",
        }
    }

    /// The store of a configured server.
    pub fn of(config: &Config) -> Self {
        Self { engine: config.store.engine, folder: config.server.data_dir.clone() }
    }

    /// Opens the store, or creates it, and logs what was wrong with it.
    pub fn open(&self, cache: ByteCount) -> anyhow::Result<Arc<dyn DocumentStore>> {
        let (folder, cache_bytes) = (&self.folder, cache.as_u64());
        let opened: Result<Arc<dyn DocumentStore>, _> = match self.engine {
            StoreEngine::Sled => {
                let config = SledConfig { cache_capacity_bytes: cache_bytes, ..SledConfig::new(folder) };
                confluo_store_sled::open(config).map(|store| Arc::new(store) as _)
            }
            StoreEngine::Redb => {
                let cache_capacity_bytes = usize::try_from(cache_bytes).unwrap_or(usize::MAX);
                let config = RedbConfig { cache_capacity_bytes, ..RedbConfig::new(folder) };
                confluo_store_redb::open(config).map(|store| Arc::new(store) as _)
            }
        };
        let store = opened.map_err(|error| {
            let is_damaged = matches!(error, StoreError::Damaged { .. });
            let advice = if is_damaged { self.salvage_advice() } else { String::new() };
            anyhow::Error::new(error).context(format!("cannot open the store in {}{advice}", folder.display()))
        })?;
        for finding in store.stats().findings {
            // A file that was kept aside stands until it is removed.
            tracing::error!(
                %finding,
                "the store's files were damaged; `confluo store acknowledge`, or removing the file that is named, ends this message"
            );
        }
        Ok(store)
    }

    fn salvage_advice(&self) -> String {
        let engine = self.engine_name();
        format!(" (`confluo store salvage --from '{self}' --to {engine}:NEW_FOLDER` gets out what is left)")
    }

    /// Opens what is left of a store that may be damaged, to be read only.
    pub fn open_wreck(&self) -> anyhow::Result<WreckStore> {
        let opened = match self.engine {
            StoreEngine::Sled => confluo_store_sled::open_wreck(&self.folder),
            StoreEngine::Redb => confluo_store_redb::open_wreck(&self.folder),
        };
        opened.with_context(|| {
            format!("cannot read what is left of {self}; name the engine and the folder with its file")
        })
    }

    /// Whether there is a store to open.
    pub fn is_there(&self) -> bool {
        holds_store(&self.folder).unwrap_or(true)
    }

    /// As [`StoreAddress::open`], for what only reads: a folder without a store is refused, not made into one.
    pub fn open_existing(&self, cache: ByteCount) -> anyhow::Result<Arc<dyn DocumentStore>> {
        let holds_store = holds_store(&self.folder)
            .with_context(|| format!("cannot look into {}; may this user read it?", self.folder.display()))?;
        ensure!(
            holds_store,
            "there is no store in {}; check the path: --data-dir or server.data_dir, or --from of a copy",
            self.folder.display()
        );
        self.open(cache)
    }
}

/// Of any engine: opening explains it when it is another one than was asked for.
fn holds_store(folder: &Path) -> io::Result<bool> {
    Ok(folder.join("db").try_exists()? || folder.join("confluo.redb").try_exists()?)
}

/// Opens or creates the store that the configuration names.
pub fn open(config: &Config) -> anyhow::Result<Arc<dyn DocumentStore>> {
    StoreAddress::of(config).open(config.store.cache_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_engine_and_folder() {
        let address: StoreAddress = "redb:/var/lib/confluo:2".parse().unwrap();
        assert_eq!(address, StoreAddress { engine: StoreEngine::Redb, folder: "/var/lib/confluo:2".into() });
        assert_eq!(address.to_string(), "redb:/var/lib/confluo:2");
        for wrong in ["", "sled", "sled:", "rocks:/x", "/x"] {
            assert!(wrong.parse::<StoreAddress>().is_err(), "{wrong}");
        }
    }
}
