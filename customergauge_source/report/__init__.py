"""The report: one page that answers what is asked of a survey first."""
