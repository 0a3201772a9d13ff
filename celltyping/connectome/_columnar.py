"""Columns of parquet and feather files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping._utils._files import check_content, reading
from celltyping._utils._optional import import_optional


def read_columnar(path, file_format, find, text_ids, *, needed_by):
    """Read columns of a parquet or feather file.

    Parameters
    ----------
    path : Path
        File.
    file_format : {"parquet", "feather"}
        Its format.
    find : callable
        Function of the names in the file that returns its Columns, or raises a
        ValueError if it does not have them.
    text_ids : bool
        Whether to convert ids to text.
    needed_by : str
        Public function for the message if pyarrow is missing.

    Returns
    -------
    table : DataFrame
        The columns.
    columns : Columns
        Their names.
    """
    pyarrow = import_optional("pyarrow", extra="io", needed_by=needed_by)
    # Not pyarrow.dataset, which reads ahead in threads that crash on damaged files.
    module = "pyarrow.parquet" if file_format == "parquet" else "pyarrow.ipc"
    module = import_optional(module, extra="io", needed_by=needed_by)
    check_content(path, file_format)
    with pyarrow.OSFile(str(path)) as file:
        with reading(path, file_format):
            if file_format == "parquet":
                source = module.ParquetFile(file)
                names = source.schema_arrow.names
            else:
                names = module.open_file(file).schema.names
        columns = find(names)
        with reading(path, file_format):
            if file_format == "parquet":
                table = source.read(columns=columns.wanted)
            else:
                fields = [names.index(name) for name in columns.wanted]
                options = module.IpcReadOptions(included_fields=fields)
                table = module.open_file(file, options=options).read_all()
            return _to_pandas(table, columns.ids if text_ids else []), columns


def _to_pandas(table, text):
    """Convert a table of pyarrow to a DataFrame, after a check of all buffers.

    Columns `text` are converted to text in arrow, because pandas may convert a missing
    value to the text "nan".
    """
    table.validate(full=True)
    for name in text:
        position = table.column_names.index(name)
        table = table.set_column(position, name, table[name].cast("string"))
    return table.to_pandas(ignore_metadata=True)
