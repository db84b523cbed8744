//! What is revoked stays revoked: for the right tokens, across a restart, and no longer than it matters.

use std::time::Duration;

use confluo_auth::{
    Grants, Identity, Revocation, RevocationReason, Revocations, RevocationsError, RevokeError, UnixTime,
};
use confluo_protocol::UserId;

const NOW: UnixTime = UnixTime(1_000);

fn identity(user: &str, issued_at: Option<u64>, token_id: Option<&str>) -> Identity {
    Identity {
        user: UserId(user.into()),
        display_name: None,
        colour: None,
        grants: Grants::none(),
        is_admin: false,
        expires_at: None,
        issued_at: issued_at.map(UnixTime),
        token_id: token_id.map(Into::into),
    }
}

fn user(user: &str) -> Revocation {
    Revocation::User(UserId(user.into()))
}

fn token(token_id: &str, expires_at: Option<u64>) -> Revocation {
    Revocation::Token { token_id: token_id.into(), expires_at: expires_at.map(UnixTime) }
}

fn issued_until(user: Option<&str>, time: u64) -> Revocation {
    Revocation::IssuedUntil { user: user.map(|user| UserId(user.into())), issued_until: UnixTime(time) }
}

fn revocations(all: &[Revocation]) -> Revocations {
    let mut revocations = Revocations::default();
    for one in all {
        revocations.revoke(one.clone(), NOW).unwrap();
    }
    revocations
}

#[test]
fn each_kind_concerns_the_tokens_it_names_and_survives_a_restart() {
    use RevocationReason::*;
    let check = |revocation: Revocation, identity: Identity, expected| {
        let fresh = revocations(&[revocation]);
        let reloaded = Revocations::from_json(fresh.to_json().as_bytes(), 100_000).unwrap();
        assert_eq!(reloaded, fresh);
        assert_eq!(fresh.is_revoked(&identity), expected, "{fresh:?} {identity:?}");
        assert_eq!(reloaded.check(&identity).is_err(), expected.is_some());
    };
    check(user("ada"), identity("ada", Some(2_000), None), Some(User));
    check(user("ada"), identity("bob", Some(0), None), None);
    check(token("t1", None), identity("ada", Some(1), Some("t1")), Some(Token));
    check(token("t1", None), identity("ada", Some(1), Some("t2")), None);
    check(token("t1", None), identity("t1", Some(1), None), None);
    check(issued_until(Some("ada"), 500), identity("ada", Some(500), None), Some(IssuedTooEarlyForUser));
    check(issued_until(Some("ada"), 500), identity("ada", Some(501), None), None);
    check(issued_until(Some("ada"), 500), identity("ada", None, None), Some(IssuedTooEarlyForUser));
    check(issued_until(Some("ada"), 500), identity("bob", Some(1), None), None);
    check(issued_until(None, 500), identity("bob", Some(500), None), Some(IssuedTooEarly));
    check(issued_until(None, 500), identity("bob", Some(501), None), None);
    check(issued_until(None, 500), identity("bob", None, None), Some(IssuedTooEarly));
}

#[test]
fn revoking_again_never_revokes_less() {
    let earlier_after_later = revocations(&[issued_until(None, 500), issued_until(None, 400)]);
    assert!(earlier_after_later.is_revoked(&identity("a", Some(450), None)).is_some());

    let mut with_and_without_end = revocations(&[token("t", None), token("t", Some(5))]);
    assert_eq!(with_and_without_end.prune(UnixTime(u64::MAX), Duration::ZERO, None), 0);
}

/// Milliseconds for seconds would shut everybody out, administrators too, until long after.
#[test]
fn a_time_of_issue_that_has_not_come_is_refused() {
    for whose in [None, Some("ada")] {
        let mut revocations = Revocations::default();
        for time in [NOW.0 + 661, NOW.0 * 1_000, u64::MAX] {
            assert_eq!(revocations.revoke(issued_until(whose, time), NOW), Err(RevokeError::NotYet), "{time}");
        }
        assert!(revocations.is_empty());
        assert_eq!(revocations.revoke(issued_until(whose, NOW.0 + 660), NOW), Ok(()), "a clock that is ahead");
    }
}

#[test]
fn two_books_together_revoke_what_each_does() {
    let one = [user("ada"), token("t", Some(5)), issued_until(None, 400)];
    let other = [user("eve"), token("t", None), issued_until(None, 500), issued_until(Some("bob"), 300)];
    for (first, second) in [(&one[..], &other[..]), (&other[..], &one[..])] {
        let mut both = revocations(first);
        both.add_all(revocations(second));
        assert_eq!(both, revocations(&[first, second].concat()));
    }
}

#[test]
fn what_was_revoked_can_be_taken_back() {
    for revocation in [user("ada"), token("t1", None), issued_until(Some("ada"), 500), issued_until(None, 500)] {
        let mut revocations = revocations(std::slice::from_ref(&revocation));
        assert!(revocations.reinstate(&revocation), "{revocation:?}");
        assert!(!revocations.reinstate(&revocation), "{revocation:?}");
        assert!(revocations.is_empty());
    }
}

#[test]
fn only_what_no_living_token_could_meet_is_forgotten() {
    let all = [
        token("short", Some(1_500)),
        token("unknown end", None),
        issued_until(Some("ada"), 500),
        issued_until(None, 500),
        user("eve"),
    ];
    let leeway = Duration::from_secs(10);
    let check = |now, max_token_lifetime: Option<u64>, forgotten| {
        let mut revocations = revocations(&all);
        let pruned = revocations.prune(UnixTime(now), leeway, max_token_lifetime.map(Duration::from_secs));
        assert_eq!(pruned, forgotten, "at {now} with {max_token_lifetime:?}");
        assert_eq!(revocations.len(), all.len() - forgotten);
    };
    check(1_509, None, 0);
    check(1_510, None, 1);
    check(1_509, Some(1_000), 0);
    check(1_510, Some(1_000), 3);
    check(u64::MAX, Some(1_000), 3);
    check(u64::MAX, None, 1);
}

#[test]
fn the_number_is_bounded_but_everybody_can_always_be_revoked() {
    let mut full = Revocations::new(2);
    full.revoke(user("a"), NOW).unwrap();
    full.revoke(token("t", None), NOW).unwrap();
    assert_eq!(full.revoke(user("b"), NOW), Err(RevokeError::Full(2)));
    full.revoke(user("a"), NOW).unwrap();
    full.revoke(issued_until(None, 5), NOW).unwrap();
    assert_eq!(full.revoke(issued_until(Some("b"), 5), NOW), Err(RevokeError::Full(3)));
    // Lowering the bound forgets nothing.
    assert_eq!(Revocations::from_json(full.to_json().as_bytes(), 1).unwrap().len(), 3);
    assert_eq!(Revocations::default().revoke(user(""), NOW), Err(RevokeError::IdLength));
    assert_eq!(Revocations::default().revoke(token(&"x".repeat(257), None), NOW), Err(RevokeError::IdLength));
}

#[test]
fn a_stored_form_that_is_newer_or_damaged_is_an_error_never_empty() {
    let stored = revocations(&[user("ada")]).to_json();
    let newer = stored.replace("\"version\":1", "\"version\":2");
    assert!(matches!(Revocations::from_json(newer.as_bytes(), 9), Err(RevocationsError::Version(2))));
    for damaged in ["", "{}", "null", "{\"version\":1}", &stored[..stored.len() - 1], &stored.replace("users", "usres")]
    {
        let result = Revocations::from_json(damaged.as_bytes(), 9);
        assert!(matches!(result, Err(RevocationsError::Damaged(_))), "{damaged}: {result:?}");
    }
}

/// What version 1 looks like on disk. Later versions must read it.
#[test]
fn the_stored_form_of_version_1() {
    let all = [user("eve"), token("t1", Some(1_500)), issued_until(Some("ada"), 500), issued_until(None, 400)];
    assert_eq!(
        revocations(&all).to_json(),
        concat!(
            r#"{"version":1,"users":{"eve":{"revoked_at":1000,"moot_at":null}},"#,
            r#""tokens":{"t1":{"revoked_at":1000,"moot_at":1500}},"#,
            r#""issued_until_by_user":{"ada":{"revoked_at":1000,"issued_until":500}},"#,
            r#""issued_until":{"revoked_at":1000,"issued_until":400}}"#
        )
    );
}
