//! What is remembered of who has gone.

use super::*;

#[test]
fn aw7_of_many_departed_the_oldest_are_forgotten_first() {
    let mut table = AwarenessTable::new(AwarenessLimits {
        max_state_bytes: 10,
        max_ids_per_session: 1,
        rate: Rate::per_second(1, 1),
        frame_interval: Duration::ZERO,
        expiry: Duration::from_secs(30),
    });
    let start = confluo_testkit::network::start_of_time();
    for id in 0..2_000 {
        let now = start + Duration::from_millis(id);
        let mut member = table.join(now, SessionId(id), Person { user: None, address: None });
        let mut writer = AwarenessWriter::default();
        writer.push(AwarenessEntry { client_id: id, clock: 1, json: b"{}" });
        table.receive(now, &mut member, &writer.finish()).expect("accepted");
        table.leave(now, &member);
        table.take_broadcast(now);
    }
    table.sweep(start + Duration::from_secs(10));
    let mut left: Vec<_> = table.clients.keys().copied().collect();
    left.sort_unstable();
    assert_eq!(left, (2_000 - MIN_REMEMBERED as u64..2_000).collect::<Vec<_>>());
}
