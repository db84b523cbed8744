//! The settings of a server: documented defaults ← file ← environment ← flags.
//!
//! Each section stands in a file of its own with its defaults in `server/config.default.toml` and its bounds in
//! `validate`. To add a setting: a field, a line with a comment in the defaults, a bound. Nothing else in the workspace
//! reads the environment.

mod app;
mod audit;
mod auth;
mod awareness;
mod byte_count;
mod choice;
mod http;
mod hub;
mod limits;
mod loader;
mod log;
mod metrics;
mod problem;
mod rooms;
mod secret;
mod server;
mod sessions;
mod shutdown;
mod store;
mod tls;

pub use app::AppConfig;
pub use audit::{AuditConfig, AuditOutput};
pub use awareness::AwarenessConfig;
pub use byte_count::ByteCount;
use confluo_auth::{AuthConfig, TrustedProxies};
pub use http::HttpConfig;
pub use limits::LimitsConfig;
pub use loader::{ConfigLoadError, Layers, LoadedConfig};
pub use log::{LogConfig, LogFormat};
pub use metrics::MetricsConfig;
pub use problem::{Problem, Problems};
pub use rooms::RoomsConfig;
pub use secret::Secret;
use serde::{Deserialize, Serialize};
pub use server::ServerConfig;
pub use sessions::SessionsConfig;
pub use shutdown::ShutdownConfig;
pub use store::{StoreConfig, StoreEngine};
pub use tls::TlsConfig;

/// Every setting with its default and its meaning, as compiled in.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Every setting of a server. `Config::default()` is what `config.default.toml` says.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen and where to keep things.
    pub server: ServerConfig,
    /// Whether the server speaks TLS itself.
    pub tls: TlsConfig,
    /// Who may come in, and by what token.
    pub auth: AuthConfig,
    /// Which proxies are believed about the client's address.
    pub trusted_proxies: TrustedProxies,
    /// Bounds of connections and of plain requests.
    pub http: HttpConfig,
    /// What one client, user, address or document may take.
    pub limits: LimitsConfig,
    /// The engine, and when what is written is safe.
    pub store: StoreConfig,
    /// What may wait for a room and for its sessions.
    pub rooms: RoomsConfig,
    /// How often presence is told, and whose.
    pub awareness: AwarenessConfig,
    /// Signs of life, and how a session ends.
    pub sessions: SessionsConfig,
    /// How the server stops.
    pub shutdown: ShutdownConfig,
    /// What is logged, and how it looks.
    pub log: LogConfig,
    /// What the embedded browser app is told.
    pub app: AppConfig,
    /// Who may read the metrics.
    pub metrics: MetricsConfig,
    /// Where it is written down who did what.
    pub audit: AuditConfig,
}

impl Config {
    /// Reads what settings point at, such as the files of secrets.
    fn resolve(&mut self, problems: &mut Problems) {
        self.metrics.resolve(problems);
    }

    /// Checks every bound and every rule between settings.
    fn validate(&self, problems: &mut Problems) {
        self.server.validate(problems);
        self.tls.validate(problems);
        auth::validate(&self.auth, self.server.listen, &self.trusted_proxies, problems);
        self.http.validate(problems);
        self.limits.validate(problems);
        self.store.validate(problems);
        self.rooms.validate(problems);
        self.awareness.validate(problems);
        self.sessions.validate(problems);
        self.shutdown.validate(self.sessions.close_timeout, problems);
        self.log.validate(problems);
        self.app.validate(problems);
        self.metrics.validate(problems);
        self.audit.validate(problems);
    }
}

impl Default for Config {
    fn default() -> Self {
        toml::from_str(DEFAULTS).expect("the compiled-in defaults are tested to be valid")
    }
}
