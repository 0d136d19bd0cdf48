"""A server that has imported everything, and the client by which a job has itself run there."""
