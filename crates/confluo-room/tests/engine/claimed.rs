//! SY22: whoever is seen to use a client id cannot have it taken away.

use std::time::Duration;

use confluo_protocol::{Access, Message, SessionId, UpdateV1, UserId};
use confluo_room::{Joining, RoomConfig, RoomInput};
use confluo_testkit::network::{VirtualServer, joining, start_of_time};

use crate::{
    early::answers,
    save_status::statuses,
    scene::{Author, Scene, awareness, empty_update, is_step1, save_status, step2, update},
};

const ADA: u64 = 7;
const BOB: u64 = 8;

fn of_user(session: u64, user: &str) -> Joining {
    Joining { user: Some(UserId(user.into())), ..joining(SessionId(session)) }
}

impl Scene {
    /// Joins as a stock client does: asks, shows itself, and answers with all that it has.
    fn comes(&mut self, session: u64, user: &str, author: &Author, clock: u64) {
        self.join(of_user(session, user));
        self.send(session, [author.step1(), awareness(&[(author.id(), clock, "{}")])]);
        self.settle();
        let asked = self.inbox(session);
        author.reads(&asked);
        self.send(session, answers(&asked, author));
        self.settle();
        author.reads(&self.inbox(session));
    }

    /// Sends, and answers what it is asked, until it is asked no more; returns how often it was.
    fn tells(&mut self, session: u64, author: &Author, first: Vec<Message>) -> usize {
        self.send(session, first);
        for times in 0..10 {
            let inbox = self.inbox(session);
            author.reads(&inbox);
            if !inbox.iter().any(is_step1) {
                return times;
            }
            self.send(session, answers(&inbox, author));
        }
        panic!("the server asks and asks");
    }

    fn leaves(&mut self, session: u64) {
        self.server.leave(self.now, SessionId(session));
    }

    fn assert_holds(&mut self, author: &Author) {
        self.settle();
        assert_eq!(self.server.content_on_disk(), author.content());
        self.assert_nobody_closed();
    }
}

/// Ada (session 1) and Bob (session 2), who have read what Ada wrote.
fn two_who_know_each_other() -> (Scene, Author, Author) {
    let (mut scene, ada, bob) = (Scene::new(), Author::new(ADA), Author::new(BOB));
    scene.comes(1, "ada", &ada, 1);
    scene.comes(2, "bob", &bob, 1);
    scene.send(1, [update(&ada.types("by ada, "))]);
    scene.settle();
    bob.reads(&scene.inbox(2));
    ada.reads(&scene.inbox(1));
    assert_eq!(bob.text(), "by ada, ");
    (scene, ada, bob)
}

/// Somebody who goes on from another's copy under that one's client id, and the update that this makes.
fn forgery(of: &Author, words: &str) -> (Author, UpdateV1) {
    let mallory = Author::new(of.id());
    mallory.reads(&[update(&of.state())]);
    let forged = mallory.types(words);
    (mallory, forged)
}

#[test]
fn sy22_what_is_written_ahead_under_the_id_of_somebody_present_takes_nothing_from_her() {
    let (mut scene, ada, bob) = two_who_know_each_other();
    let (mallory, forged) = forgery(&ada, "forged");
    let asked = scene.tells(2, &mallory, vec![update(&forged)]);
    assert_eq!(asked, 1, "asked as for all that is early, and once");
    assert!(!scene.server.is_flushing(), "nothing of it is taken");
    // Nor in an answer, nor together with something of his own that builds on it.
    bob.reads(&[update(&forged)]);
    scene.send(2, [update(&bob.types("beside")), step2(&mallory.state()), step2(&bob.state())]);
    assert!(!scene.server.is_flushing());
    scene.send(1, [update(&ada.types("typed ")), save_status(1)]);
    scene.settle();
    assert_eq!(statuses(&scene.inbox(1)), [1]);
    let reader = Author::new(9);
    scene.comes(3, "cy", &reader, 1);
    assert_eq!(reader.text(), "by ada, typed ");
    scene.assert_holds(&ada);
}

#[test]
fn sy22_only_what_is_new_of_that_id_waits() {
    let (mut scene, ada, bob) = two_who_know_each_other();
    let (mallory, _) = forgery(&ada, "forged");
    // One struct of which the beginning is known, beside something of his own.
    bob.types("by bob");
    let (own, merged) = (bob.state(), Author::new(10));
    merged.reads(&[update(&own), update(&mallory.state())]);
    scene.send(2, [update(&merged.state())]);
    scene.assert_holds(&bob);
    ada.reads(&scene.inbox(1));
    scene.send(1, [update(&ada.types("!"))]);
    scene.assert_holds(&ada);
}

#[test]
fn sy22_the_edits_of_somebody_who_is_away_are_taken_from_another_s_copy() {
    let (mut scene, ada, bob) = two_who_know_each_other();
    scene.leaves(1);
    bob.reads(&[update(&ada.types("offline"))]);
    assert_eq!(scene.tells(2, &bob, vec![update(&bob.state())]), 0);
    scene.assert_holds(&ada);
    scene.comes(3, "ada", &ada, 3);
    scene.send(3, [update(&ada.types(", back"))]);
    scene.assert_holds(&ada);
}

#[test]
fn sy22_who_brings_the_edits_of_somebody_present_is_told_that_they_are_on_disk_once_she_has() {
    let (mut scene, ada, bob) = two_who_know_each_other();
    // He hears of it past the server, and before it.
    let typed = [ada.types("one "), ada.types("two ")];
    bob.reads(&typed.each_ref().map(update));
    let asked = scene.tells(2, &bob, vec![update(&bob.state()), save_status(1)]);
    assert_eq!((asked, statuses(&scene.inbox(2)).len()), (1, 0));
    assert!(!scene.server.is_flushing());
    scene.send(1, [update(&typed[0])]);
    scene.settle();
    assert!(!scene.inbox(2).iter().any(is_step1), "not all that waits has come");
    scene.send(1, [update(&typed[1])]);
    scene.settle();
    let inbox = scene.inbox(2);
    assert_eq!(inbox.iter().filter(|message| is_step1(message)).count(), 1);
    scene.send(2, answers(&inbox, &bob));
    scene.settle();
    assert_eq!(statuses(&scene.inbox(2)), [1]);
    scene.assert_holds(&ada);
}

#[test]
fn sy22_when_she_leaves_what_waited_is_asked_for_and_taken() {
    let ends: [fn(&mut Scene); 4] = [
        |scene| scene.leaves(1),
        |scene| scene.send(1, [awareness(&[(ADA, 2, "null")])]),
        |scene| scene.server.handle(scene.now, vec![RoomInput::AccessChanged(SessionId(1), Access::Read)]),
        |scene| {
            scene.wait(Duration::from_secs(31));
            scene.wait(Duration::from_secs(31));
        },
    ];
    for end in ends {
        let (mut scene, ada, bob) = two_who_know_each_other();
        bob.reads(&[update(&ada.types("that she lost"))]);
        assert_eq!(scene.tells(2, &bob, vec![update(&bob.state()), save_status(1)]), 1);
        assert!(statuses(&scene.inbox(2)).is_empty());
        end(&mut scene);
        assert_eq!(scene.tells(2, &bob, Vec::new()), 1);
        scene.settle();
        assert_eq!(statuses(&scene.inbox(2)), [1]);
        scene.assert_holds(&bob);
    }
}

#[test]
fn sy22_a_server_of_an_old_copy_takes_what_it_lacks_from_whoever_comes_first() {
    let (scene, ada, bob) = two_who_know_each_other();
    let old = scene.server.stored_updates();
    for turn in 0..20 {
        let (one, other) = if turn % 2 == 0 { (&ada, &bob) } else { (&bob, &ada) };
        other.reads(&[update(&one.types("more "))]);
    }
    // Both show themselves before either has answered; each has what builds on the other's.
    let mut restored = Scene { server: VirtualServer::new(RoomConfig::default(), old.clone()), now: start_of_time() };
    for (session, user, author) in [(1, "ada", &ada), (2, "bob", &bob)] {
        restored.join(of_user(session, user));
        restored.send(session, [author.step1(), awareness(&[(author.id(), 9, "{}")])]);
    }
    assert_eq!(restored.tells(2, &bob, Vec::new()), 1);
    assert_eq!(restored.tells(1, &ada, Vec::new()), 1);
    restored.assert_holds(&ada);
    // And one after the other.
    let mut restored = Scene { server: VirtualServer::new(RoomConfig::default(), old), now: start_of_time() };
    restored.comes(2, "bob", &bob, 9);
    restored.assert_holds(&bob);
    restored.comes(1, "ada", &ada, 9);
    restored.send(1, [update(&ada.types("and on"))]);
    restored.assert_holds(&ada);
}

#[test]
fn sy22_two_sessions_of_one_user_bring_each_other_s_edits() {
    let (mut scene, ada, _) = two_who_know_each_other();
    let tab = Author::new(70);
    scene.comes(3, "ada", &tab, 1);
    tab.reads(&[update(&ada.types("in one tab, "))]);
    assert_eq!(scene.tells(3, &tab, vec![update(&tab.state())]), 0);
    scene.assert_holds(&ada);
    tab.types("in another");
    ada.reads(&[update(&tab.state())]);
    assert_eq!(scene.tells(1, &ada, vec![update(&ada.state())]), 0);
    scene.assert_holds(&tab);
}

#[test]
fn sy22_who_claims_the_id_of_somebody_who_is_away_does_not_lock_her_out() {
    let (mut scene, ada, _) = two_who_know_each_other();
    scene.leaves(1);
    scene.send(2, [awareness(&[(ADA, 50, r#"{"squatter":true}"#)])]);
    ada.types("offline");
    scene.comes(3, "ada", &ada, 3);
    scene.send(3, [update(&ada.types(", online"))]);
    scene.assert_holds(&ada);
}

#[test]
fn sy22_a_reader_and_who_has_not_answered_yet_keep_nobody_out() {
    let (mut scene, ada, bob) = two_who_know_each_other();
    scene.leaves(1);
    scene.join(Joining { access: Access::Read, ..of_user(3, "cy") });
    scene.send(3, [awareness(&[(ADA, 50, "{}")]), step2(&empty_update())]);
    let eve = Author::new(99);
    eve.types("of 99");
    scene.join(of_user(4, "eve"));
    scene.send(4, [eve.step1(), awareness(&[(99, 1, "{}")])]);
    bob.reads(&[update(&ada.types("offline")), update(&eve.state())]);
    assert_eq!(scene.tells(2, &bob, vec![update(&bob.state())]), 0);
    scene.assert_holds(&bob);
}

#[test]
fn sy22_who_has_nothing_to_tell_is_protected_before_she_answers() {
    let (mut scene, _, bob) = two_who_know_each_other();
    let eve = Author::new(99);
    eve.reads(&[update(&bob.state())]);
    scene.join(of_user(4, "eve"));
    scene.send(4, [eve.step1(), awareness(&[(99, 1, "{}")])]);
    let (mallory, forged) = forgery(&eve, "forged");
    assert_eq!(scene.tells(2, &mallory, vec![update(&forged)]), 1);
    scene.send(4, [update(&eve.types("her first word"))]);
    scene.assert_holds(&eve);
}

#[test]
fn sy22_who_comes_back_on_a_new_connection_is_protected_by_the_old_one() {
    let (mut scene, ada, _) = two_who_know_each_other();
    // Her old connection is half-open; on the new one she has shown herself and not answered yet.
    scene.join(of_user(3, "ada"));
    scene.send(3, [ada.step1(), awareness(&[(ADA, 1, "{}")])]);
    let (mallory, forged) = forgery(&ada, "forged");
    assert_eq!(scene.tells(2, &mallory, vec![update(&forged)]), 1);
    scene.leaves(1);
    assert_eq!(scene.tells(2, &mallory, vec![update(&forged)]), 0, "it is stuck, and she has not let go");
    assert!(!scene.server.is_flushing());
    ada.types("meanwhile");
    let asked = scene.inbox(3);
    scene.send(3, answers(&asked, &ada));
    scene.assert_holds(&ada);
}

#[test]
fn sy22_without_users_nobody_is_kept_out() {
    let (mut scene, ada, bob) = (Scene::new(), Author::new(ADA), Author::new(BOB));
    for session in 1..=2 {
        scene.enter(joining(SessionId(session)));
    }
    scene.send(1, [awareness(&[(ADA, 1, "{}")])]);
    bob.reads(&[update(&ada.types("from another's copy"))]);
    assert_eq!(scene.tells(2, &bob, vec![update(&bob.state())]), 0);
    scene.assert_holds(&ada);
}
