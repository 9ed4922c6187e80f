//! The path by which a walk over types came to one of them.
//!
//! Types may stand in long chains, so a walk that carried the path of each type would take quadratic time and memory.

/// The fields by which a walk went, each behind the one before.
#[derive(Debug, Default)]
pub(super) struct Steps {
    taken: Vec<(Option<usize>, String)>,
}

/// A place that a walk came to.
pub(super) type Step = usize;

impl Steps {
    /// Begins a walk at a type.
    pub fn begin(&mut self, name: &str) -> Step {
        self.push(None, name)
    }

    /// Steps from a place to what one of its fields holds.
    pub fn go(&mut self, from: Step, field: &str) -> Step {
        self.push(Some(from), field)
    }

    /// Returns the names from the beginning on: `Movie.address.zip`.
    pub fn path(&self, at: Step) -> String {
        let mut names = Vec::new();
        let mut next = Some(at);
        while let Some((before, name)) = next.and_then(|at| self.taken.get(at)) {
            names.push(name.as_str());
            next = *before;
        }
        names.reverse();
        names.join(".")
    }

    fn push(&mut self, from: Option<Step>, name: &str) -> Step {
        self.taken.push((from, name.to_owned()));
        self.taken.len() - 1
    }
}
