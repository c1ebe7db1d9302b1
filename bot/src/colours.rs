//! Colours of embeds.

use poise::serenity_prelude::Colour;

pub const RED: Colour = Colour::new(0x00E7_4C3C);
pub const BLUE: Colour = Colour::new(0x0034_98DB);
pub const GREEN: Colour = Colour::new(0x002E_CC71);
pub const DARK_GREEN: Colour = Colour::new(0x001F_8B4C);
