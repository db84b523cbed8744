use super::*;
use crate::clock::Clock;

fn slow_rooms() -> SlowRooms {
    SlowRooms::new(HeavyWork::default(), Arc::default(), Arc::new(HubMetrics::new()))
}

fn name(number: usize) -> DocumentName {
    DocumentName::new(&number.to_string()).unwrap()
}

#[test]
fn a_room_is_slow_for_a_while_after_each_slow_merge() {
    let start = Clock.now();
    let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
    let mut slowness = Slowness::Quick;
    slowness.note_merge(false, at(0.5));
    assert!(!slowness.is_slow(at(0.5)));
    slowness.note_merge(true, at(2.0));
    slowness.note_merge(false, at(2.1));
    assert!(slowness.is_slow(at(31.9)), "a quick merge does not make it quick");
    assert!(!slowness.is_slow(at(32.1)));
}

#[test]
fn a_room_that_was_slow_to_open_is_slow_until_a_while_after_its_first_merge() {
    let start = Clock.now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut slowness = Slowness::SinceOpening;
    assert!(slowness.is_slow(at(100_000)), "however long it was idle");
    slowness.note_merge(false, at(100_000));
    assert!(slowness.is_slow(at(100_029)));
    assert!(!slowness.is_slow(at(100_031)));
}

#[test]
fn a_document_is_remembered_from_half_a_second_on() {
    let rooms = slow_rooms();
    assert!(!rooms.note(&name(1), Duration::from_millis(499), Clock.now()));
    assert!(rooms.note(&name(2), Duration::from_millis(500), Clock.now()));
    assert!(!rooms.remembers(&name(1)) && rooms.remembers(&name(2)));
    rooms.forget(&name(2));
    assert!(!rooms.remembers(&name(2)));
    assert_eq!(rooms.metrics.slow_steps.get(), 1);
}

#[test]
fn of_too_many_slow_documents_the_one_that_was_slow_longest_ago_is_forgotten() {
    let rooms = slow_rooms();
    let start = Clock.now();
    let be_slow = |number: usize, second: usize| {
        rooms.note(&name(number), Duration::from_secs(1), start + Duration::from_secs(second as u64));
    };
    for number in 0..MAX_REMEMBERED {
        be_slow(number, number);
    }
    be_slow(0, MAX_REMEMBERED);
    be_slow(MAX_REMEMBERED, MAX_REMEMBERED + 1);
    assert_eq!(rooms.lock().len(), MAX_REMEMBERED);
    assert!(!rooms.remembers(&name(1)));
    assert!(rooms.remembers(&name(0)) && rooms.remembers(&name(2)) && rooms.remembers(&name(MAX_REMEMBERED)));
}

#[tokio::test]
async fn half_of_the_processors_work_for_slow_documents() {
    let rooms = slow_rooms();
    let processors = std::thread::available_parallelism().unwrap().get();
    let mut turns = Vec::new();
    for _ in 0..(processors / 2).max(1) {
        turns.push(rooms.place(Weight::Slow).await.unwrap().unwrap());
    }
    assert!(Arc::clone(&rooms.turns).try_acquire_owned().is_err());
    assert!(rooms.place(Weight::Heavy).await.unwrap().is_some(), "whoever was not slow has other places");
    turns.pop();
    assert!(Arc::clone(&rooms.turns).try_acquire_owned().is_ok(), "a turn that ended is the next one's");
}
