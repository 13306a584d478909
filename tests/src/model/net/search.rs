//! The search: every world that a scene reaches, breadth first, and every law in each.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::command::Command;
use super::law::{LAWS, SIGHTS, STEP_LAWS};
use super::moves::{cost, moves};
use super::scene::Scene;
use super::world::{World, step};

/// What a search has found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Different worlds.
    pub states: usize,
    /// Steps to the farthest of them.
    pub depth: usize,
    /// All there is was seen.
    pub whole: bool,
    /// The law that does not hold, and the shortest way there.
    pub breach: Option<(&'static str, Vec<Command>)>,
    /// What was seen to happen, by its place among [`SIGHTS`].
    pub sights: u64,
}

/// Searches all of a scene, or until it has gone through so many steps.
#[must_use]
pub fn search(scene: Scene, steps_max: Option<usize>) -> Found {
    let seen = Arc::new(AtomicU64::new(0));
    let searched = Searched { scene, seen: Arc::clone(&seen) };
    let mut builder = searched.checker().finish_when(HasDiscoveries::AnyFailures);
    if let Some(max) = steps_max.and_then(NonZeroUsize::new) {
        builder = builder.target_state_count(max.get());
    }
    let checker = builder.spawn_bfs().join();
    let breach = checker.discovery(HOLD).map(|path| {
        let last = path.last_state().clone();
        let law = last.breach.or_else(|| broken(&last.world)).unwrap_or(HOLD);
        (law, path.into_actions())
    });
    Found {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        whole: steps_max.is_none_or(|max| checker.state_count() < max),
        breach,
        sights: seen.load(Ordering::Relaxed),
    }
}

/// The first law that a world breaks.
#[must_use]
pub fn broken(world: &World) -> Option<&'static str> {
    LAWS.iter().find(|(_, holds)| !holds(world)).map(|(name, _)| *name)
}

const HOLD: &str = "all laws hold";

/// A scene, as the checker sees it.
#[derive(Debug)]
struct Searched {
    scene: Scene,
    seen: Arc<AtomicU64>,
}

/// A world, with what a search must know beside it.
#[derive(Debug, Clone, PartialEq, Hash)]
struct Place {
    world: World,
    left: u8,
    breach: Option<&'static str>,
}

impl Searched {
    fn look(&self, world: &World) {
        let seen = self.seen.load(Ordering::Relaxed);
        for (place, (_, sight)) in SIGHTS.iter().enumerate() {
            if seen & (1 << place) == 0 && sight(world) {
                self.seen.fetch_or(1 << place, Ordering::Relaxed);
            }
        }
    }
}

impl Model for Searched {
    type State = Place;
    type Action = Command;

    fn init_states(&self) -> Vec<Place> {
        vec![Place { world: self.scene.start(), left: self.scene.interventions, breach: None }]
    }

    fn actions(&self, place: &Place, actions: &mut Vec<Command>) {
        if place.breach.is_none() {
            actions.extend(moves(&place.world, &self.scene, place.left));
        }
    }

    fn next_state(&self, place: &Place, command: Command) -> Option<Place> {
        let (world, outcome) = step(&place.world, &command);
        let mut laws = STEP_LAWS.iter();
        let breach = laws.find(|(_, holds)| !holds(&place.world, &command, &world, outcome));
        let breach = breach.map(|(name, _)| *name);
        if breach.is_none() && world == place.world {
            return None;
        }
        Some(Place { world, left: place.left.saturating_sub(cost(&command)), breach })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(HOLD, |searched: &Self, place: &Place| {
            searched.look(&place.world);
            place.breach.is_none() && broken(&place.world).is_none()
        })]
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{PLANTED, SMALL_SCENES};
    use super::*;

    #[test]
    fn every_law_holds_in_every_world_of_the_small_scenes() {
        let (mut states, mut sights) = (0, 0);
        for scene in SMALL_SCENES {
            let found = search(scene, None);
            assert_eq!(found.breach, None, "{}", scene.name);
            states += found.states;
            sights |= found.sights;
        }
        assert!(states > 100_000, "only {states} worlds were seen");
        for (place, (name, _)) in SIGHTS.iter().enumerate() {
            assert_eq!(sights >> place & 1, 1, "{name} never");
        }
    }

    #[test]
    fn each_rule_that_is_off_is_missed() {
        for (bug, scene) in PLANTED {
            let found = search(scene.with(bug), None);
            let law = found.breach.map(|(law, _)| law);
            println!("{bug:?}: {law:?} after {} worlds", found.states);
            assert!(law.is_some(), "{bug:?} was not found in `{}`", scene.name);
        }
    }
}
