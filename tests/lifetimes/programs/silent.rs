//! Starts threads that do nothing, in a program without the library, and says what that took from the allocator.

mod counting;
mod silence;

fn main() {
    println!("{}", silence::cost());
}
