"""The pages for people: notebooks, forms, runs and their results, as HTML without a build step.

A page has the address of the resource that it shows. `negotiation` chooses by the Accept header: browsers get pages,
all other clients get the API.
"""
