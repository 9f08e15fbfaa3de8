token = ''  # type: secret the access token
key = None  # type: secret
password: str
given = 'hunter2'  # type: secret
