//! What tests share: a virtual network round the engine, hostile bytes, fixtures of the JavaScript reference, ways to
//! compare documents, and a hub's sessions without a network.

pub mod content;
pub mod fixtures;
pub mod hostile;
pub mod long_run;
pub mod mixed;
pub mod network;
pub mod socket;
pub mod state;
