"""What the mysql and postgresql engines have in common: beego's table, and the statements on it.

:mod:`~beesession.sql.provider` holds the verbs, :mod:`~beesession.sql.statements` their SQL,
:mod:`~beesession.sql.dialect` what a database must tell of itself, :mod:`~beesession.sql.connections` where the
sessions lie and who holds which connection, :mod:`~beesession.sql.table` how the table is made and looked at.
"""
