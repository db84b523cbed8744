//! The journal before an engine: it reads like the engine alone, and a process that dies at any byte loses nothing acknowledged.

mod bad_page;
mod damage;
mod disk;
mod faults;
mod reading;
mod salvage;
