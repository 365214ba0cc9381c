"""What others see: metrics, pages, the HTTP API, reports."""
