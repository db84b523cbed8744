//! The binary itself, killed without warning: what a client was shown or promised is there when it comes back.
//!
//! 1. `home`: where a server lives through all its deaths. 2. `load`: clients that write, and what they were promised.
//! 3. `kills`: the deaths, at random moments. 4. `storm`: thousands of clients that all come back at once.
//! 5. `stops`: what a soft stop leaves, which a death does not.
//!
//! A kill keeps what the kernel holds, so it proves nothing about power cuts; the stores' `power_cut` tests do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod home;
mod kills;
mod load;
mod stops;
mod storm;
