"""`make bench`: this project beside what an engineer would write in an afternoon."""
