//! What is written down.

use std::net::IpAddr;

use confluo_auth::Revocation;
use confluo_hub::Expulsion;
use confluo_protocol::{Access, DocumentName};
use serde::Serialize;

use crate::access::Client;

/// One line of the audit log. Fields that are not known are left out.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AuditEvent<'a> {
    /// A session has joined a document.
    Connected {
        /// Whose.
        #[serde(flatten)]
        who: Who<'a>,
        /// The name in its token.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        /// `read` or `write`.
        access: &'static str,
    },
    /// A connection may not enter.
    Refused {
        /// Whose.
        #[serde(flatten)]
        who: Who<'a>,
        /// How it was closed.
        #[serde(flatten)]
        why: Why<'a>,
    },
    /// So many more were refused or cut off, or tried the admin endpoint, since the last line that says so.
    Folded {
        /// How many.
        refusals: u64,
    },
    /// Something that the session wrote was taken for the first time.
    Wrote {
        /// Whose.
        #[serde(flatten)]
        who: Who<'a>,
    },
    /// A session has ended; with a code if it was the server that ended it, as when its token had expired or was revoked.
    Left {
        /// Whose.
        #[serde(flatten)]
        who: Who<'a>,
        /// How it was closed.
        #[serde(flatten)]
        why: Option<Why<'a>>,
    },
    /// An admin revoked something.
    Revoked {
        /// Who did.
        by: &'a str,
        /// What.
        #[serde(flatten)]
        what: What<'a>,
        /// How many sessions it ended.
        sessions_ended: usize,
        /// Whether it may be gone after a restart, as the disk failed; left out if not.
        #[serde(rename = "in_doubt", skip_serializing_if = "std::ops::Not::not")]
        is_in_doubt: bool,
    },
    /// An admin took a revocation back.
    Reinstated {
        /// Who did.
        by: &'a str,
        /// What.
        #[serde(flatten)]
        what: What<'a>,
        /// Whether it had been revoked.
        was_revoked: bool,
    },
    /// Something was asked for under `/admin/`.
    Admin {
        /// From where.
        address: Option<IpAddr>,
        /// Who, if the token was an admin's.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// The method of the request.
        method: &'a str,
        /// The beginning of its path.
        path: &'a str,
        /// The answer.
        status: u16,
    },
}

/// Whose session.
#[derive(Debug, Serialize)]
pub struct Who<'a> {
    connection: u64,
    address: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a str>,
}

/// Why a session was ended or refused.
#[derive(Debug, Serialize)]
pub struct Why<'a> {
    code: u16,
    reason: &'a str,
}

/// What was revoked.
#[derive(Debug, Default, Serialize)]
pub struct What<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_until: Option<u64>,
}

impl<'a> Who<'a> {
    /// A client, and the document that it names if it is a name.
    pub fn new(client: &'a Client, document: Option<&'a DocumentName>) -> Self {
        Self {
            connection: client.connection.0,
            address: client.address,
            user: client.user.as_ref().map(|user| &*user.0),
            document: document.map(DocumentName::as_str),
        }
    }
}

impl<'a> From<&'a Expulsion> for Why<'a> {
    fn from(expulsion: &'a Expulsion) -> Self {
        Self { code: expulsion.code.code(), reason: &expulsion.reason }
    }
}

impl<'a> From<&'a Revocation> for What<'a> {
    fn from(revocation: &'a Revocation) -> Self {
        match revocation {
            Revocation::User(user) => Self { user: Some(&user.0), ..Self::default() },
            Revocation::Token { token_id, .. } => Self { token_id: Some(token_id), ..Self::default() },
            Revocation::IssuedUntil { user, issued_until } => {
                Self { user: user.as_ref().map(|user| &*user.0), issued_until: Some(issued_until.0), ..Self::default() }
            }
        }
    }
}

/// As it is written.
pub(crate) fn name_of(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
    }
}
