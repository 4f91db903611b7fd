"""Small data sets on disk."""

import pytest

from huatuo import store
from huatuo.store import content_id


@pytest.fixture
def dataset(tmp_path):
    """Writes records as one table of a finished data set and gives its folder."""

    def make(table, records):
        folder = tmp_path / table
        with store.writing(folder, stage=table, key=content_id(*(record.id for record in records))) as out:
            for record in records:
                out.write(table, record)
        return folder

    return make
