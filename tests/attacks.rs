//! What an attacker found, each as a program that must not succeed again: an effect that outlives
//! its permission, a yes that is good for more than was read, a record that a power cut takes back,
//! and code of the application's that is called where it could do harm.
#![cfg(test)]

mod desk;
mod shelf;

mod agents;
mod callbacks;
mod disk;
mod effects;
mod keeping;
