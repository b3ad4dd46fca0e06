-- Which address a name led to is not for everybody to know.
UPDATE pages SET reason = 'not a public address' WHERE reason LIKE '% is a private address';
