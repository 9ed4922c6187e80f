//! Finds a name that occurs twice among an object's members.

/// Up to this many names are compared one by one; more are sorted.
const FEW: usize = 16;

/// Returns a name that occurs more than once.
pub(crate) fn duplicate<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    if names.len() <= FEW {
        let mut rest = names;
        while let Some(name) = rest.next() {
            if rest.clone().any(|other| other == name) {
                return Some(name);
            }
        }
        return None;
    }
    let mut sorted: Vec<&str> = names.collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::duplicate;

    #[test]
    fn a_duplicate_is_found_among_few_and_among_many_names() {
        for count in [0, 1, 2, 16, 17, 200] {
            let mut names: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            assert_eq!(duplicate(names.iter().map(String::as_str)), None, "count={count}");
            if count > 0 {
                names.insert(0, (count - 1).to_string());
                let last = (count - 1).to_string();
                assert_eq!(duplicate(names.iter().map(String::as_str)), Some(last.as_str()), "count={count}");
            }
        }
    }
}
