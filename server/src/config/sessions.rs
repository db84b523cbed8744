//! `[sessions]`: signs of life, and how a session ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Problems;

/// What a client has at least to answer a ping, in whole seconds, as the pulse counts.
const TIME_TO_ANSWER_SECONDS: u64 = 5;

/// Signs of life, and how a session ends.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsConfig {
    /// When nothing went out for so long, a harmless frame does.
    #[serde(with = "humantime_serde")]
    pub filler_interval: Duration,
    /// How often to ping a silent connection.
    #[serde(with = "humantime_serde")]
    pub ping_interval: Duration,
    /// A connection from which nothing came for so long is closed with 4508. At least 5 s more than `ping_interval`.
    #[serde(with = "humantime_serde")]
    pub no_sign_of_life_timeout: Duration,
    /// How long to wait for the peer to answer a close.
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    /// Wait before a closing that the client caused.
    #[serde(with = "humantime_serde")]
    pub rejection_delay: Duration,
}

impl SessionsConfig {
    pub(super) fn validate(&self, problems: &mut Problems) {
        let seconds = Duration::from_secs;
        problems.check_range("sessions.filler_interval", &self.filler_interval, &(seconds(1)..=seconds(29)));
        problems.check_range("sessions.ping_interval", &self.ping_interval, &(seconds(1)..=seconds(3600)));
        let timeout = self.no_sign_of_life_timeout;
        problems.check_range("sessions.no_sign_of_life_timeout", &timeout, &(seconds(6)..=seconds(86_400)));
        let is_answerable = timeout.as_secs() >= self.ping_interval.as_secs() + TIME_TO_ANSWER_SECONDS;
        problems.check("sessions.no_sign_of_life_timeout", is_answerable, || {
            format!(
                "it must be at least {TIME_TO_ANSWER_SECONDS} s longer than sessions.ping_interval, or a client is gone before \
                 it can answer"
            )
        });
        let close = Duration::from_millis(100)..=seconds(60);
        problems.check_range("sessions.close_timeout", &self.close_timeout, &close);
        problems.check_range("sessions.rejection_delay", &self.rejection_delay, &(Duration::ZERO..=seconds(30)));
    }
}
