//! small
#![expect(clippy::print_stdout, reason = "this is what it is for")]
use reelfleet_model::*;
fn main() {
    let a: Vec<u32> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();
    let b = |n: u32| a[4] & n != 0;
    let harm = Harm { workers_die: b(1), others_die: b(32), messages: b(2), answers: b(4), failures: b(8), people: b(16) };
    macro_rules! c { ($w:expr) => { Config { rules: Rules::default(), worker_of: $w, max_attempts: a[2], messages: a[3] as u8, harm, nameless: true } } }
    println!("{:b} {}", a[4], match (a[0], a[1]) { (1, 2) => check::<1, 2>(c!([0, 1]), 2), (1, 3) => check::<1, 2>(c!([0, 0]), 2), (2, 1) => check::<2, 1>(c!([0]), 2), _ => check::<2, 2>(c!([0, 1]), 2) });
}
