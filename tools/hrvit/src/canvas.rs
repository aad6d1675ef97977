//! Text and rectangles on an RGB image, drawn with embedded-graphics.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_7X13;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Point, Primitive, RgbColor, Size, WebColors};
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};

/// Width of one character in pixels.
pub const CHARACTER_WIDTH: u32 = FONT_7X13.character_size.width;
/// Height of a line of text in pixels, with its margins.
pub const LINE_HEIGHT: u32 = FONT_7X13.character_size.height + 5;
const BACKGROUND: Rgb888 = Rgb888::CSS_WHITE_SMOKE;

/// An image that can be drawn on; what falls outside is cut off.
pub struct Canvas {
    image: RgbImage,
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(at, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y))
                && let Some(pixel) = self.image.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

impl Canvas {
    /// A light sheet.
    pub fn new(width: u32, height: u32) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb([BACKGROUND.r(), BACKGROUND.g(), BACKGROUND.b()])) }
    }

    /// The image drawn.
    pub fn into_image(self) -> RgbImage {
        self.image
    }

    /// One line of dark text, its upper left corner at `(x, y)`. Characters outside ASCII show as
    /// question marks.
    pub fn text(&mut self, x: u32, y: u32, text: &str) {
        let style = MonoTextStyle::new(&FONT_7X13, Rgb888::BLACK);
        let Ok(_next) = Text::with_baseline(text, point(x, y), style, Baseline::Top).draw(self);
    }

    /// A filled rectangle.
    pub fn rectangle(&mut self, x: u32, y: u32, width: u32, height: u32, colour: [u8; 3]) {
        let [r, g, b] = colour;
        let Ok(()) = Rectangle::new(point(x, y), Size::new(width, height)).into_styled(PrimitiveStyle::with_fill(Rgb888::new(r, g, b))).draw(self);
    }

    /// Another image, its upper left corner at `(x, y)`.
    pub fn place(&mut self, x: u32, y: u32, image: &RgbImage) {
        image::imageops::replace(&mut self.image, image, i64::from(x), i64::from(y));
    }
}

fn point(x: u32, y: u32) -> Point {
    Point::new(i32::try_from(x).unwrap_or(i32::MAX), i32::try_from(y).unwrap_or(i32::MAX))
}
