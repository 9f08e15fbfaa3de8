"""The documents of a package: pure emitters, one module a document. What is absent is not added."""
