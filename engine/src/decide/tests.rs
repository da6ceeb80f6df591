//! Tests of the rules in a small world, without clock, journal or tasks.

mod back;
mod calling_off;
mod clocks;
mod crashes;
mod earlier;
mod forward;
mod graph;
mod lost;
mod people;
mod plans;
mod random;
mod recreate;
mod removing;
mod repair;
mod rig;
mod slots;
mod uncertain;
mod windows;
mod world;
