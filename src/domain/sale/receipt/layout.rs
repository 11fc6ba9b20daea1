//! Lines of a fixed number of columns. A character is a column: wide scripts are not measured.

/// A page that grows downwards.
pub(super) struct Page {
    width: usize,
    text: String,
}

impl Page {
    pub(super) fn new(width: usize) -> Self {
        let text = String::new();
        Self { width, text }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// A line across.
    pub(super) fn rule(&mut self) {
        self.line(&"-".repeat(self.width));
    }

    /// Text from the left, over as many lines as it takes.
    pub(super) fn text(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            self.line(&line);
        }
    }

    /// Text in the middle, over as many lines as it takes.
    pub(super) fn centred(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            let before = (self.width - columns(&line)) / 2;
            self.line(&format!("{:before$}{line}", ""));
        }
    }

    /// A word on the left and its value on the right; on lines of their own where one does not hold both.
    pub(super) fn row(&mut self, left: &str, right: &str) {
        let (left, right) = (clean(left), clean(right));
        if columns(&left) + 1 + columns(&right) <= self.width {
            let between = self.width - columns(&left) - columns(&right);
            self.line(&format!("{left}{:between$}{right}", ""));
            return;
        }
        self.text(&left);
        if columns(&right) <= self.width {
            let before = self.width - columns(&right);
            self.line(&format!("{:before$}{right}", ""));
        } else {
            self.text(&right);
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Control characters would move the paper or open the drawer.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Breaks at spaces, and words that are longer than a line where the line ends. Spaces in front stay.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = clean(text);
    let indent: String = text.chars().take_while(|c| c.is_whitespace()).take(width / 2).collect();
    let mut lines = Vec::new();
    let mut line = indent.clone();
    let mut used = columns(&indent);
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = columns(word);
        if begun && used + 1 + length > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            (used, begun) = (columns(&indent), false);
        }
        if begun {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == width {
                lines.push(std::mem::replace(&mut line, indent.clone()));
                used = columns(&indent);
            }
            line.push(c);
            used += 1;
        }
        begun = true;
    }
    if begun {
        lines.push(line);
    }
    lines
}
