"""What every report is made of: a page as a value, and its forms as HTML, Markdown and CSV."""
