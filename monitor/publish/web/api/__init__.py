"""The HTTP API under /api/v1: readings and all that is known as JSON; pushes, jobs and reloads by those who may."""
