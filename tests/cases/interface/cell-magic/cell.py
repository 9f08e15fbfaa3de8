%%bash
echo x
