//! Who can see what a form saves.

use cardwire_domain::Visibility;
use cardwire_http::problem::Problem;

use crate::fields::Fields;

/// What is chosen in a form, and what was chosen when the form was drawn.
#[derive(Clone, Copy, Debug)]
pub struct Audience {
    pub chosen: Visibility,
    pub drawn: Visibility,
}

impl Audience {
    /// Of a form that nobody has changed yet.
    pub const fn drawn(visibility: Visibility) -> Self {
        Self { chosen: visibility, drawn: visibility }
    }

    /// As the form was sent. One without the choice leaves it at `usual`.
    pub fn sent(fields: &Fields, usual: Visibility) -> Result<Self, Problem> {
        let drawn = read(fields, "drawn-visibility", usual)?;
        Ok(Self { chosen: read(fields, "visibility", drawn)?, drawn })
    }

    /// What is asked of something that may be there already. Private is always meant: the form says that nobody else will see it. Public is
    /// meant only if the person chose it: a form that was drawn so must not publish what they made private before.
    pub fn asked(self) -> Option<Visibility> {
        (self.chosen.is_private() || self.chosen != self.drawn).then_some(self.chosen)
    }
}

fn read(fields: &Fields, name: &str, other: Visibility) -> Result<Visibility, Problem> {
    match fields.given(name) {
        Some(text) => Ok(text.parse()?),
        None => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Visibility = Visibility::Public;
    const PRIVATE: Visibility = Visibility::Private;

    #[test]
    fn a_form_publishes_only_what_the_person_chose_to_publish() {
        let check = |form: &str, usual: Visibility, chosen: Visibility, asked: Option<Visibility>| {
            let audience = Audience::sent(&Fields::parse(form).unwrap(), usual).unwrap();
            assert_eq!((audience.chosen, audience.asked()), (chosen, asked), "{form}");
        };
        check("visibility=PUBLIC&drawn-visibility=PUBLIC", PRIVATE, PUBLIC, None);
        check("visibility=PUBLIC&drawn-visibility=PRIVATE", PUBLIC, PUBLIC, Some(PUBLIC));
        check("visibility=PRIVATE&drawn-visibility=PUBLIC", PUBLIC, PRIVATE, Some(PRIVATE));
        check("visibility=PRIVATE&drawn-visibility=PRIVATE", PUBLIC, PRIVATE, Some(PRIVATE));
        // From a page that was drawn before there was a choice.
        check("url=x", PUBLIC, PUBLIC, None);
        check("url=x", PRIVATE, PRIVATE, Some(PRIVATE));
    }

    #[test]
    fn a_choice_that_there_is_not_is_refused() {
        let problem = Audience::sent(&Fields::parse("visibility=private").unwrap(), PUBLIC).unwrap_err();
        assert_eq!(problem.broken_rule().unwrap().0, "visibility");
    }
}
