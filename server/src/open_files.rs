//! The limit of open files: shells often start programs with 1,024, and every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Raises the limit as far as this process may, and warns if `connections` do not fit.
pub fn raise_limit(connections: u32) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(%error, "cannot raise the limit of open files");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    if allowed.is_some_and(|allowed| allowed < u64::from(connections)) {
        warn!(allowed, connections, "http.max_connections needs more open files than this process may have");
    }
}
