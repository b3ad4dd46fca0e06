-- What tells this deployment from others that use the same Redis by mistake. Made by the first process that asks for it, so that a
-- copy of the schema alone is a deployment of its own.
CREATE TABLE deployment (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id       uuid NOT NULL DEFAULT gen_random_uuid()
);
