//! The engine against populations: raids, crowds of fans, ordinary weeks.

mod crowds;
mod population;
mod raids;
mod responses;
mod world;
