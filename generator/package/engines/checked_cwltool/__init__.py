"""Run cwltool with limits on its containers and a check of everything that they leave."""
