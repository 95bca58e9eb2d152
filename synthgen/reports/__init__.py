"""From values to pages: HTML, Markdown, CSV, terminal."""
