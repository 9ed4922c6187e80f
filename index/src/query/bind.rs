//! Binds an expression to a record type: which fields, of which types, and what is asked of them.

use std::sync::Arc;

use kapok_core::Result;

use super::expr::{At, Expr, Given, Node, Operand, Operator, Path, Quantifier, Set, Subject};
use super::join::Names;
use super::parameters::Parameters;
use super::place::{Kind, Place};
use super::referrers::Referrers;
use super::resolve::{ScopeType, resolve};
use super::test::Ask;
use super::tree::{Leaf, Tree};

/// Expressions within one another, at most: each nesting of the text makes three at most.
const DEPTH_MAX: usize = 256;

/// A leaf of a bound expression.
#[derive(Clone, Debug)]
pub(super) enum Question<'v> {
    Number(Arc<Place<'v>>, Ask),
    Bytes(Arc<Place<'v>>, Ask),
    Len(Arc<Place<'v>>, Ask),
    Words(Arc<Place<'v>>, Operand),
    Present(Arc<Place<'v>>),
    Each(Quantifier, Arc<Place<'v>>, Box<Bound<'v>>),
    /// Whether one of the records that refer to this one satisfies a condition.
    Referrers(Arc<Referrers<'v>>, Box<Bound<'v>>),
    CountReferrers(Arc<Referrers<'v>>, Ask),
}

/// A bound expression.
pub(super) type Bound<'v> = Tree<Leaf<Question<'v>>>;

/// An expression that is being bound.
pub(super) struct Binding<'v> {
    names: Names<'v>,
    /// Names of parameters, each once.
    pub parameters: Vec<String>,
}

impl<'v> Binding<'v> {
    pub fn new(names: Names<'v>) -> Self {
        Self { names, parameters: Vec::new() }
    }

    pub fn expression(&mut self, scope: ScopeType<'v>, expr: &Expr, depth: usize) -> Result<Bound<'v>> {
        if depth > DEPTH_MAX {
            return Err(At::default().error(format!("an expression nested deeper than {DEPTH_MAX} levels")));
        }
        let text = || -> Arc<str> { expr.to_string().into() };
        let mut each =
            |all: &[Expr]| all.iter().map(|one| self.expression(scope, one, depth + 1)).collect::<Result<Vec<_>>>();
        match &expr.0 {
            Node::Constant(value) => Ok(Tree::Constant(*value)),
            Node::And(all) => Ok(Tree::And(each(all)?)),
            Node::Or(all) => Ok(Tree::Or(each(all)?)),
            Node::Not(inner) => Ok(Tree::Not(Box::new(self.expression(scope, inner, depth + 1)?))),
            Node::Compare { subject, operator: Operator::NotEqual, value } => {
                let question = self.ask(scope, subject, Ask::Compare(Operator::Equal, value.clone()))?;
                let text = format!("{subject} = {value}").into();
                Ok(Tree::Not(Box::new(Tree::leaf(&text, question))))
            }
            Node::Compare { subject: Subject::Field(path), operator: Operator::Matches, value } => {
                Ok(Tree::leaf(&text(), self.words(scope, path, value)?))
            }
            Node::Compare { subject, operator, value } => {
                Ok(Tree::leaf(&text(), self.ask(scope, subject, Ask::Compare(*operator, value.clone()))?))
            }
            Node::Between { subject, low, high } => {
                Ok(Tree::leaf(&text(), self.ask(scope, subject, Ask::Between(low.clone(), high.clone()))?))
            }
            Node::In { subject, set } => Ok(Tree::leaf(&text(), self.ask(scope, subject, Ask::In(set.clone()))?)),
            Node::Has { list, value } => Ok(Tree::leaf(&text(), self.has(scope, list, value, &text())?)),
            Node::Each { quantifier, list, condition } => {
                if let Some(referrers) = Referrers::bind(self.names, scope, list)? {
                    return self.referred(*quantifier, Arc::new(referrers), condition, depth);
                }
                let place = resolve(self.names, scope, list)?;
                let Kind::List(element, _) = place.kind else {
                    return Err(list.at.error(format!("expected a list, and {list} is {}", place.kind.describe())));
                };
                let inner = ScopeType::of_elements(self.names.schema, element, place.refers, list.at)?;
                let condition = self.expression(inner, condition, depth + 1)?;
                Ok(Tree::leaf(&text(), Question::Each(*quantifier, Arc::new(place), Box::new(condition))))
            }
            Node::IsNull(path) => {
                let place = Arc::new(resolve(self.names, scope, path)?);
                let text = format!("{path} is not null").into();
                Ok(Tree::Not(Box::new(Tree::leaf(&text, Question::Present(place)))))
            }
        }
    }

    /// Binds what is asked of the records that refer to this one: all satisfy a condition if there is none that does not.
    fn referred(
        &mut self,
        quantifier: Quantifier,
        referrers: Arc<Referrers<'v>>,
        condition: &Expr,
        depth: usize,
    ) -> Result<Bound<'v>> {
        let condition = match quantifier {
            Quantifier::Any => condition.clone(),
            Quantifier::All => !condition.clone(),
        };
        let text: Arc<str> = format!("any({}, {condition})", referrers.text).into();
        let bound = self.expression(ScopeType::Record(referrers.table), &condition, depth + 1)?;
        let any = Tree::leaf(&text, Question::Referrers(referrers, Box::new(bound)));
        Ok(if quantifier == Quantifier::All { Tree::Not(Box::new(any)) } else { any })
    }

    /// Binds what is asked of a field or of its length.
    fn ask(&mut self, scope: ScopeType<'v>, subject: &Subject, ask: Ask) -> Result<Question<'v>> {
        match subject {
            Subject::Field(path) => {
                let place = Arc::new(resolve(self.names, scope, path)?);
                self.ask_place(place, path, ask)
            }
            Subject::Len(path) => {
                if let Some(referrers) = Referrers::bind(self.names, scope, path)? {
                    self.note(&ask);
                    Self::check(&ask, |ask, parameters| ask.of_number(LENGTH, parameters).map(drop))?;
                    return Ok(Question::CountReferrers(Arc::new(referrers), ask));
                }
                let place = Arc::new(resolve(self.names, scope, path)?);
                if !matches!(place.kind, Kind::List(..) | Kind::Text | Kind::Data) {
                    let problem =
                        format!("only lists, Text and Data have a length, and {path} is {}", place.kind.describe());
                    return Err(path.at.error(problem));
                }
                self.note(&ask);
                let known = ask.clone();
                let question = Question::Len(place, ask);
                Self::check(&known, |ask, parameters| ask.of_number(LENGTH, parameters).map(drop))?;
                Ok(question)
            }
        }
    }

    fn ask_place(&mut self, place: Arc<Place<'v>>, path: &Path, ask: Ask) -> Result<Question<'v>> {
        self.note(&ask);
        let kind = place.kind;
        match kind {
            Kind::Number(_) | Kind::Enum(_) => {
                if let Ask::Compare(operator @ (Operator::StartsWith | Operator::Contains), value) = &ask {
                    let (symbol, kind) = (operator.symbol(), kind.describe());
                    return Err(value.at.error(format!("{symbol} is for Text and Data, and {path} is {kind}")));
                }
                Self::check(&ask, |ask, parameters| ask.of_number(kind, parameters).map(drop))?;
                Ok(Question::Number(place, ask))
            }
            Kind::Text | Kind::Data => {
                Self::check(&ask, |ask, parameters| ask.of_bytes(kind, parameters).map(drop))?;
                Ok(Question::Bytes(place, ask))
            }
            Kind::List(_, true) => Err(path.at.error(format!(
                "{path} is a map; compare the value of a key, as in {path}[\"key\"], or ask `is null`"
            ))),
            Kind::List(..) => Err(path.at.error(format!(
                "{path} is a list; ask by `VALUE in {path}`, any({path}, ..), all({path}, ..) or len({path})"
            ))),
            Kind::Struct(_) | Kind::Void => {
                let kind = kind.describe();
                Err(path.at.error(format!("{path} is {kind}, which can only be asked for by `is null`")))
            }
        }
    }

    fn words(&mut self, scope: ScopeType<'v>, path: &Path, value: &Operand) -> Result<Question<'v>> {
        let place = Arc::new(resolve(self.names, scope, path)?);
        let Kind::Text = place.kind else {
            return Err(path.at.error(format!("~= is for Text, and {path} is {}", place.kind.describe())));
        };
        let ask = Ask::Compare(Operator::Matches, value.clone());
        self.note(&ask);
        Self::check(&ask, |ask, parameters| ask.of_bytes(Kind::Text, parameters).map(drop))?;
        Ok(Question::Words(place, value.clone()))
    }

    fn has(&mut self, scope: ScopeType<'v>, list: &Path, value: &Operand, text: &Arc<str>) -> Result<Question<'v>> {
        let place = resolve(self.names, scope, list)?;
        let Kind::List(element, is_map) = place.kind else {
            return Err(list.at.error(format!("expected a list, and {list} is {}", place.kind.describe())));
        };
        let kind = match ScopeType::of_elements(self.names.schema, element, place.refers, list.at)? {
            ScopeType::Item(kind @ (Kind::Number(_) | Kind::Enum(_) | Kind::Text | Kind::Data), _) => kind,
            _ if is_map => return Err(list.at.error(format!("{list} is a map; ask by {list}[\"key\"] is not null"))),
            _ => {
                return Err(list
                    .at
                    .error(format!("the elements of {list} have no plain value; ask by any({list}, ..)")));
            }
        };
        let ask = Ask::Compare(Operator::Equal, value.clone());
        let inner = Tree::leaf(text, self.ask_place(Arc::new(Place::item(kind, place.refers)), list, ask)?);
        Ok(Question::Each(Quantifier::Any, Arc::new(place), Box::new(inner)))
    }

    /// Notes the parameters that are asked for.
    fn note(&mut self, ask: &Ask) {
        for operand in ask.operands() {
            if let Given::Parameter(name) = &operand.given
                && !self.parameters.contains(name)
            {
                self.parameters.push(name.clone());
            }
        }
    }

    /// Checks the types of values that are known by now: those of parameters are checked when the query is run.
    fn check(ask: &Ask, test: impl Fn(&Ask, &Parameters) -> Result<()>) -> Result<()> {
        let is_known = |operand: &Operand| matches!(operand.given, Given::Value(_));
        match ask {
            Ask::Compare(_, value) if is_known(value) => test(ask, &Parameters::new()),
            Ask::Compare(..) | Ask::In(Set::Parameter(_)) => Ok(()),
            Ask::Between(low, high) => {
                for operand in [low, high].into_iter().filter(|operand| is_known(operand)) {
                    test(&Ask::Between(operand.clone(), operand.clone()), &Parameters::new())?;
                }
                Ok(())
            }
            Ask::In(Set::Values(values)) => {
                let known = values.iter().filter(|operand| is_known(operand)).cloned().collect();
                test(&Ask::In(Set::Values(known)), &Parameters::new())
            }
        }
    }
}

/// What the length of a list is.
pub(super) const LENGTH: Kind<'static> = Kind::Number(super::number::NumberKind::Unsigned(64));
