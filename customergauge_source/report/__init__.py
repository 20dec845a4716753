"""The report: one HTML file that shows what the customers say."""
