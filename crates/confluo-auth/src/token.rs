//! A token as it was received: bounded, and never printed.

use std::fmt;

use crate::TokenError;

/// The longest token that is looked at, in bytes. Servers in front of this one rarely pass on longer headers.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A compact JWT (RFC 7519) as somebody sent it: not verified, at most [`MAX_TOKEN_BYTES`] long. `Debug` hides it, and
/// there is no `Display`, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

impl Token {
    /// Takes a token without looking into it. An empty text is [`TokenError::Missing`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        match text.len() {
            0 => Err(TokenError::Missing),
            bytes if bytes > MAX_TOKEN_BYTES => Err(TokenError::TooLarge { bytes }),
            _ => Ok(Self(text.into())),
        }
    }

    /// The token itself, for verifying it or for handing it to the person who asked for it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(<{} bytes, redacted>)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_token() {
        let token = Token::new("aaa.bbb.ccc").unwrap();
        assert_eq!(format!("{token:?}"), "Token(<11 bytes, redacted>)");
        assert_eq!(token.reveal(), "aaa.bbb.ccc");
    }

    #[test]
    fn the_bound_is_8_kib() {
        assert!(Token::new(&"x".repeat(MAX_TOKEN_BYTES)).is_ok());
        assert_eq!(Token::new(&"x".repeat(MAX_TOKEN_BYTES + 1)), Err(TokenError::TooLarge { bytes: 8193 }));
        assert_eq!(Token::new(""), Err(TokenError::Missing));
    }
}
