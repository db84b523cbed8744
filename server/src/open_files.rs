//! The limit of open files: shells often start programs with 1,024, and every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that are no connection: the store's, the logs, what an issuer is asked over, and the sockets that are only told that
/// there is no room.
const RESERVE: u64 = 256;

/// Raises the limit as far as this process may. Says how many connections there may be: `connections`, or as many as fit,
/// with a warning.
pub fn raise_limit(connections: u32) -> u32 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(%error, "cannot raise the limit of open files");
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return connections };
    let places = places(connections, allowed);
    if places < connections {
        warn!(
            allowed,
            connections,
            places,
            "http.max_connections needs more open files than this process may have; connections beyond `places` are refused"
        );
    }
    places
}

fn places(connections: u32, allowed: u64) -> u32 {
    let fitting = u32::try_from(allowed.saturating_sub(RESERVE)).unwrap_or(u32::MAX);
    connections.min(fitting.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_fit_beside_what_else_is_open() {
        for (connections, allowed, expected) in
            [(15_000, 20_000, 15_000), (15_000, 15_256, 15_000), (15_000, 15_255, 14_999), (15_000, 1_024, 768)]
        {
            assert_eq!(places(connections, allowed), expected, "{connections} of {allowed}");
        }
        assert_eq!((places(5, 100), places(5, u64::MAX)), (1, 5));
    }
}
