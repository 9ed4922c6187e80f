//! What an inference has seen, so that records which show nothing new need not be observed.

use hashbrown::HashMap;

use super::number::{EXACT_IN_FLOAT32, EXACT_IN_FLOAT64, Numbers};
use super::shape::{Member, NodeId, Shape};
use super::walk::Shapes;
use kapok_core::schema::Type;

/// What an [`Inference`](crate::Inference) has seen so far, for
/// [`MessageWriter::set_seen`](crate::MessageWriter::set_seen).
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By struct type and name in JSON.
    guards: HashMap<u64, HashMap<String, Guard>>,
}

/// What may stand in a field without showing anything new. If the field is a list, numbers and texts are its innermost
/// elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Guard {
    /// Neither null nor absent.
    pub must_be_given: bool,
    /// Nothing was seen but null: the type is not known yet.
    pub is_unseen: bool,
    /// A text may stand for a number or an enumerant.
    pub takes_text: bool,
    pub takes_negative: bool,
    /// Greatest integer.
    pub integer_max: u64,
    /// Largest magnitude of a negative integer.
    pub negative_max: u64,
    /// Null may stand in the list (bit 0), in the lists in it (bit 1), and so on.
    pub null_in_lists: u64,
    /// Length of a list.
    pub dimension: Option<u32>,
}

impl Guard {
    /// Whatever the field takes.
    pub(crate) const OPEN: Self = Self {
        must_be_given: false,
        is_unseen: false,
        takes_text: true,
        takes_negative: true,
        integer_max: u64::MAX,
        negative_max: u64::MAX,
        null_in_lists: u64::MAX,
        dimension: None,
    };
    /// Nothing at all.
    const CLOSED: Self = Self { must_be_given: true, is_unseen: true, ..Self::OPEN };
}

impl Guard {
    /// Whatever the field takes, but of integers only those of at most some magnitude.
    const fn integers_to(magnitude: u64) -> Self {
        Self { integer_max: magnitude, negative_max: magnitude, ..Self::OPEN }
    }

    /// Returns whether null may stand in a list within so many lists.
    pub(crate) fn takes_null_at(&self, level: u32) -> bool {
        self.null_in_lists.checked_shr(level).is_some_and(|bits| bits & 1 == 1)
    }
}

impl Seen {
    pub(crate) fn guard(&self, struct_type: u64, json_name: &str) -> Guard {
        self.guards.get(&struct_type).and_then(|fields| fields.get(json_name)).copied().unwrap_or(Guard::CLOSED)
    }
}

impl Shapes {
    pub(super) fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        for (at, object) in self.objects.iter().enumerate() {
            let fields = seen.guards.entry(object.id).or_default();
            for member in &object.members {
                let mut guard = self.guard_of(member);
                // Keys are named by either name; a name that leads to no member makes no key.
                let is_part = |part: &String| {
                    *part == member.json_name || member.known_name.as_ref().is_some_and(|known| part == known)
                };
                guard.must_be_given |= at == 0 && self.settings.key.iter().any(is_part);
                fields.insert(member.json_name.clone(), guard);
            }
        }
        seen
    }

    fn guard_of(&self, member: &Member) -> Guard {
        let shape = &self.nodes[member.node].shape;
        let must_be_given = shape.is_data() && !member.null_is_settled && !member.is_null_somewhere;
        Guard { must_be_given, ..self.guard_of_node(member.node) }
    }

    fn guard_of_node(&self, at: NodeId) -> Guard {
        let node = &self.nodes[at];
        match &node.shape {
            Shape::Unknown => Guard { is_unseen: true, ..Guard::OPEN },
            Shape::Number(numbers) => numbers.guard(self.settings.compact),
            Shape::Wider(wider) => {
                Guard { integer_max: wider.integer_max(), negative_max: wider.negative_max(), ..Guard::OPEN }
            }
            Shape::Fixed(Type::Float64) => Guard::integers_to(EXACT_IN_FLOAT64),
            Shape::Fixed(Type::Float32) => Guard::integers_to(EXACT_IN_FLOAT32),
            Shape::Vector(vector) => Guard {
                takes_text: false,
                // No list has as many elements as the one that is yet to come.
                dimension: Some(vector.dimension).filter(|dimension| *dimension > 0).or(Some(u32::MAX)),
                ..Guard::integers_to(if vector.element == Type::Float32 { EXACT_IN_FLOAT32 } else { u64::MAX })
            },
            Shape::List(elements) => {
                let has_null = u64::from(self.nodes[*elements].null_line.is_some());
                let within = self.guard_of_node(*elements);
                Guard { null_in_lists: within.null_in_lists << 1 | has_null, ..within }
            }
            Shape::Loose
            | Shape::Json
            | Shape::Fixed(_)
            | Shape::Bool
            | Shape::Text
            | Shape::Data
            | Shape::Object(_)
            | Shape::Map(_) => Guard::OPEN,
        }
    }
}

impl Numbers {
    fn guard(&self, compact: bool) -> Guard {
        let is_float = self.float.is_some();
        Guard {
            takes_text: false,
            takes_negative: is_float || self.negative.is_some(),
            integer_max: self.integer_max(compact),
            negative_max: self.negative_max(compact),
            ..Guard::OPEN
        }
    }
}
