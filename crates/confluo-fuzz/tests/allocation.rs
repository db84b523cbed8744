//! What the decoders allocate for mutated bytes: a small multiple of their length.
//!
//! All that is ever allocated is counted, freed or not, with what a `Vec` leaves behind as it grows.

use bytes::Bytes;
use confluo_fuzz::{TARGETS, mutation::mutate};
use confluo_protocol::{
    AwarenessReader, Message, StateVectorV1, UpdateLimits, UpdateV1, check_state_vector, check_update,
};
use rand::{SeedableRng, rngs::StdRng};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// For each byte of input.
const MULTIPLE: usize = 16;
/// And for errors, and the first room of tables and lists, however short the input.
const BASE_BYTES: usize = 800;

/// The bytes of the input are counted before: whoever reads a socket has them.
fn decode(target: &str, bytes: Bytes) {
    match target {
        "update" => {
            if let Ok(checked) = check_update(UpdateV1(bytes), &UpdateLimits::default()) {
                std::hint::black_box(checked.admit(&mut EveryoneIsNew));
            }
        }
        "message" => drop(std::hint::black_box(Message::read_all(&bytes))),
        "awareness" => {
            if let Ok(reader) = AwarenessReader::new(&bytes) {
                for entry in reader.flatten() {
                    let _ = std::hint::black_box(entry.check_json());
                }
            }
        }
        "state_vector" => drop(std::hint::black_box(check_state_vector(&StateVectorV1(bytes)))),
        other => panic!("there is no target {other}"),
    }
}

/// One test, so that no other thread allocates meanwhile.
#[test]
fn sy12_fr5_aw9_what_a_decoder_allocates_is_a_small_multiple_of_its_input() {
    for name in ["update", "message", "awareness", "state_vector"] {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
        let seeds = (target.seeds)();
        let mut rng = StdRng::seed_from_u64(4);
        let mutants = (0..20_000).map(|_| mutate(&mut rng, &seeds)).collect::<Vec<_>>();
        for bytes in seeds.iter().chain(&mutants) {
            let input = Bytes::from(bytes.clone());
            let length = input.len();
            let region = Region::new(GLOBAL);
            decode(name, input);
            let allocated = region.change().bytes_allocated;
            assert!(
                allocated <= MULTIPLE * length + BASE_BYTES,
                "{name}: {length} bytes made {allocated}: {bytes:02x?}"
            );
        }
    }
}

/// A document that knows nobody, and remembers nothing.
struct EveryoneIsNew;

impl confluo_protocol::Clocks for EveryoneIsNew {
    fn clock(&mut self, _: u64) -> u32 {
        0
    }

    fn advance(&mut self, _: u64, _: u32) {}
}
