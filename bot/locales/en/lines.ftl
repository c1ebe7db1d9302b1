# What jobs say in English stands in a table that they share with us.
