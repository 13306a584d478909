//! Searches everything that can happen between a few owners, and says what it found.
//!
//! `cargo run --release -p clawnet-tests --bin model` searches all scenes; names of scenes after it
//! search those. Prints `name value 1` a line, and the shortest way to a law that does not hold.
//! Ends with failure if there is one, or if something that ought to happen was never seen.
use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

use clawnet_tests::model::net::{
    law::SIGHTS,
    scene::{SCENES, Scene},
    search::{Found, search},
};

fn main() -> ExitCode {
    let names: Vec<String> = env::args().skip(1).collect();
    let known = |name: &String| SCENES.iter().any(|scene| scene.name == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all = SCENES.map(|scene| scene.name).join(", ");
        drop(writeln!(io::stderr(), "model: no scene `{name}`; there are {all}"));
        return ExitCode::from(2);
    }
    let chosen = |scene: &Scene| names.is_empty() || names.iter().any(|name| name == scene.name);
    let mut sum = Sum::default();
    for scene in SCENES.into_iter().filter(chosen) {
        sum.add(&scene, &search(scene, None));
    }
    let unseen = sum.tell();
    ExitCode::from(u8::from(sum.violations > 0 || names.is_empty() && unseen > 0))
}

/// What all searches found together.
struct Sum {
    began: Instant,
    states: usize,
    violations: usize,
    depth: usize,
    sights: u64,
}

impl Default for Sum {
    #[expect(clippy::disallowed_methods, reason = "a search says how long it took")]
    fn default() -> Self {
        Self { began: Instant::now(), states: 0, violations: 0, depth: 0, sights: 0 }
    }
}

impl Sum {
    fn add(&mut self, scene: &Scene, found: &Found) {
        self.states += found.states;
        self.depth = self.depth.max(found.depth);
        self.sights |= found.sights;
        say(&format!("model_states_{} {}", scene.name, found.states));
        if let Some((law, way)) = &found.breach {
            self.violations += 1;
            say(&format!("{}: {law} does not hold after", scene.name));
            for command in way {
                say(&format!("  {command:?}"));
            }
        }
    }

    /// Prints the figures. Returns how much was never seen to happen.
    fn tell(&self) -> usize {
        let mut unseen = 0;
        for (place, (name, _)) in SIGHTS.iter().enumerate() {
            let seen = self.sights >> place & 1;
            unseen += usize::from(seen == 0);
            say(&format!("model_sometimes_{name} {seen} 1"));
        }
        say(&format!("model_states {} 1", self.states));
        say(&format!("model_violations {} 1", self.violations));
        say(&format!("model_depth {} 1", self.depth));
        say(&format!("model_seconds {:.1} 1", self.began.elapsed().as_secs_f64()));
        unseen
    }
}

fn say(line: &str) {
    // There is nobody left to tell if this cannot be written.
    drop(writeln!(io::stdout(), "{line}"));
}
