//! Whether everything can still end well, wherever things stand.
//!
//! The checker's own `eventually` is not fit for models that can go in circles, as looking again and again does. So this looks at the
//! whole graph: backwards from the states in which all is settled, along steps that are no faults, every state must be reached.

use std::collections::HashMap;

use stateright::Model as _;

use crate::properties::settled;
use crate::state::State;
use crate::step::{Pipeline, fault};

/// A state from which no way without further faults leads to where every accepted event has had its effect; `None`: there is
/// no such state.
pub fn stuck(model: &Pipeline) -> Option<State> {
    let mut numbers: HashMap<State, usize> = HashMap::new();
    let mut states = model.init_states();
    numbers.extend(states.iter().copied().zip(0..));
    // For each state, those that lead to it without a fault.
    let mut sources: Vec<Vec<usize>> = vec![Vec::new(); states.len()];
    let mut steps = Vec::new();
    let mut at = 0;
    while at < states.len() {
        let state = states[at];
        model.actions(&state, &mut steps);
        for step in steps.drain(..) {
            let Some(next) = model.next_state(&state, step) else { continue };
            let number = *numbers.entry(next).or_insert_with(|| {
                states.push(next);
                sources.push(Vec::new());
                states.len() - 1
            });
            if fault(&state, step).is_none() {
                sources[number].push(at);
            }
        }
        at += 1;
    }
    let mut can_settle: Vec<bool> = states.iter().map(settled).collect();
    let mut open: Vec<usize> = (0..states.len()).filter(|number| can_settle[*number]).collect();
    while let Some(number) = open.pop() {
        for source in &sources[number] {
            if !std::mem::replace(&mut can_settle[*source], true) {
                open.push(*source);
            }
        }
    }
    can_settle.iter().position(|can_settle| !can_settle).map(|number| states[number])
}
