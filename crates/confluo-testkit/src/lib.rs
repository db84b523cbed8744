//! What tests share: a virtual network round the engine, hostile bytes, fixtures of the JavaScript reference, and ways to
//! compare documents.

pub mod content;
pub mod fixtures;
pub mod hostile;
pub mod long_run;
pub mod network;
pub mod state;
