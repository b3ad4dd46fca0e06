-- A deleted collection is gone for everybody at once; its cards leave it afterwards, portion by portion, and then the row goes, too.
-- A build from before this column deletes rows as it always did, and shows a collection again that is on its way out.
ALTER TABLE collections ADD COLUMN deleted_at timestamptz;
CREATE INDEX collections_deleted ON collections (id) WHERE deleted_at IS NOT NULL;
